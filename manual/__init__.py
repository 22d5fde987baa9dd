"""The manual: man pages from the data of the verbs and the texts beside it, made when a wheel is built.

python -m manual DIRECTORY      # writes man1/ and man5/ there
"""
