"""The machinery: labelled transition systems. It knows nothing of Kubernetes."""
