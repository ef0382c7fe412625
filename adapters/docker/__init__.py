"""Pods on real Docker engines: every engine is a node.

engine.py    one engine: its address, its health, its events, what a run of ours has left there
pods.py      pods: a sandbox and its members; what the engine says of them, and what it cannot know
control.py   the controllers that a cluster needs besides: nodes, scheduling, replication
runtime.py   the adapter: clusters of engines, and the faults
nodes.py     engines of our own, each in namespaces of its own (kubephase nodes up)
disk.py      disks that can be made to fail
"""
