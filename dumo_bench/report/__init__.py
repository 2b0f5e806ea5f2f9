"""From tables to text: LaTeX, Markdown, a page, a terminal. Never imports torch."""
