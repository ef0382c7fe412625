"""Pictures of the tables, and the generated reference."""
