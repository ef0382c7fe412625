"""The specification. Read container.py, pod.py, node.py, cluster.py, properties.py, in this order; then the controllers
in nodecontroller.py, scheduler.py, replication.py, sharing.py, and what they do together in situations/."""
