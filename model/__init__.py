"""The specification. Read container.py, pod.py, node.py, cluster.py, properties.py, in this order."""
