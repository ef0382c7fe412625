"""The checks themselves, one module per section of the document."""
