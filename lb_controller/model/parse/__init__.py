"""From objects of the API server to values of the model: object by object, never raising.

What is wrong with an object becomes Problems that name it, the field and the cure; the other objects are not disturbed.
"""
