# SPDX-License-Identifier: MIT
"""Tools for tests: a private Redis, and the contract that every storage keeps."""
