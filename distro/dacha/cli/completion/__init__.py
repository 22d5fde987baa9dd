"""What the Tab key offers, in bash, zsh and fish.

The scripts in completion/ ask `dacha __complete` at each Tab: on a path of its own, with the
standard library only, since people feel what takes longer than a tenth of a second.

`protocol` speaks with the scripts, `line` reads bash's, `cursor` finds out what is being typed,
`candidates` knows what it may become.
"""
