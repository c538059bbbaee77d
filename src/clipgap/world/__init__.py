"""Worlds that clipgap draws itself. For now a small one: enough for the demo to run the whole job on."""

from clipgap.world.demo_set import CLASSES, DOMAINS, write_demo_set

__all__ = ["CLASSES", "DOMAINS", "write_demo_set"]
