"""A cluster of Ray on this machine, told by lines what to do: ``add`` a node, or ``lose`` it. Ends with its input.

Pictures that the added node works on are in the folder ``added`` of ``RAY_TMPDIR``.

Run: ``python nodes.py CLIENT_PORT``. Prints the cluster's address, and a line after each thing done. A program of its
own, because Ray leaves open files behind in the process that starts nodes.
"""

import os
import sys
from pathlib import Path

from ray.cluster_utils import Cluster

NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
LOST_AFTER_SECONDS = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000}


def main() -> None:
    head = {
        "include_dashboard": False,
        "ray_client_server_port": int(sys.argv[1]),
        "_system_config": LOST_AFTER_SECONDS,
    }
    cluster = Cluster(initialize_head=True, head_node_args=NODE | head)
    added = []
    try:
        _tell(cluster.address)
        for line in sys.stdin:
            if line.strip() == "add":
                os.environ["TMPDIR"] = str(Path(os.environ["RAY_TMPDIR"]) / "added")
                added.append(cluster.add_node(**NODE))
                cluster.wait_for_nodes()
            else:
                cluster.remove_node(added.pop(), allow_graceful=False)
            _tell(line.strip())
    finally:
        cluster.shutdown()


def _tell(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
