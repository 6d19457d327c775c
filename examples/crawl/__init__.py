# SPDX-License-Identifier: MIT
"""A crawl of a small make-believe web, fetched over real HTTP: see README.md beside this file."""
