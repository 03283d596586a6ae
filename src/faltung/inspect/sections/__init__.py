"""What does a report card tell? One file for each section; `faltung.inspect.section_table` lists them."""
