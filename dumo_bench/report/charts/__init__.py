"""Charts of a page: a file each, each a pure function from tables to a value that the page draws."""
