# SPDX-License-Identifier: MIT
"""The consumer: greenlets that live long, and the tasks they run."""
