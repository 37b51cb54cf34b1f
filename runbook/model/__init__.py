"""Plain frozen values: the playbook as written, the hosts, the plan of a run, questions and answers.

Owns the vocabulary that every layer shares. Leaves reading files to `loader`, deciding to `engine`.
"""
