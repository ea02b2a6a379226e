"""Git, asked so that a repository can only answer: it runs nothing, fetches nothing and names no signers.

What a repository configures is read by two commands alone, the one that finds it and the one that notes a head in it,
and both run with everything switched off that could start a program. All else is asked of an empty repository of our
own that lends nothing but the objects of the other one: no configuration, attributes, hooks, grafts or replacements of
it are there. Only the operator's own configuration (global, system, environment) says who signs.
"""
