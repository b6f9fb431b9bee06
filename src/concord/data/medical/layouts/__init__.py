"""The layouts of medical data sets, one by one."""
