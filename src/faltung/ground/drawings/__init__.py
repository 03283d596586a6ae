"""How do pages of reports look? Charts, pictures, tables of numbers, and one style sheet for all of them."""
