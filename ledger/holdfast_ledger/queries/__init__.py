"""Questions about usage: a request is checked, planned, turned into SQL with parameters, and answered in pages.

question -> calendar, keys -> statements -> database; tokens carry pages and figures to the calls that follow
"""
