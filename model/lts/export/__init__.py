"""Networks in the languages of other model checkers, so that these can be asked as well."""
