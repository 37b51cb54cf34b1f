"""The composition root: the use cases of the product, and the only place where the siblings meet.

Front ends call what stands here and in the modules below, and never reach around it. Nothing here prints or asks:
facts and signals go to the listeners that a front end brings, questions to its approver.
"""
