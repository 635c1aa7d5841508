"""One feature outside the project: a folder that uses every extension point, and is named nowhere else.

``SDNCTL_FEATURES=tests.one_folder`` adds it to any program of sdnctl.
"""
