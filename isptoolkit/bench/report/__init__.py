"""Results as a page, plots and tables, beside the published figures."""
