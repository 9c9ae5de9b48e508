#!/usr/bin/env python3
"""A real Prometheus, configured as docs/metrics.md says, scrapes a real daemon, and answers every question of the
dashboard docs/grafana/rove.json and every alarm of the documentation. Usage: prometheus_test.py ROVE

    prometheus ── 127.0.0.1 ── [rove0] host a 10.1.0.1 ══════ 10.1.0.2 host b [rove0]
"""

import contextlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

import cli_test
import service_test
from cli_test import OK, OTHER_IP, OTHER_MAC, SKIP, wait_for

LISTEN = "127.0.0.1:9090"
DOCS = os.path.join(service_test.SOURCE, "docs")
# What a host that is well may have no answer to: nothing is dropped there.
MAY_BE_EMPTY = "rove_drops_total"


def read_document(*path):
    with open(os.path.join(DOCS, *path), encoding="utf-8") as file:
        return file.read()


def documented_configuration():
    """The scrape configuration of docs/metrics.md; asked each second."""
    block = re.search(r"^```\n(scrape_configs:\n.*?)^```$", read_document("metrics.md"), re.DOTALL | re.MULTILINE)
    return "global:\n  scrape_interval: 1s\n" + block[1]


def documented_alarms():
    table = read_document("metrics.md").split("| expression |")[1].split("\n## ")[0]
    return re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)


def dashboard_queries():
    """As Grafana sends them when all nodes are chosen."""
    dashboard = json.loads(read_document("grafana", "rove.json"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    return [query.replace("$instance", ".*").replace("$__rate_interval", "1m") for query in queries]


class Prometheus:
    """The server, in the host's namespace."""

    def __init__(self, host):
        self._host = host
        self._log = host.path("prometheus.log")
        configuration = host.path("prometheus.yml")
        with open(configuration, "w", encoding="ascii") as file:
            file.write(documented_configuration())
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                ["ip", "netns", "exec", host.namespace, "prometheus", f"--config.file={configuration}",
                 f"--storage.tsdb.path={host.path('tsdb')}", f"--web.listen-address={LISTEN}"], stdout=log, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    def log(self):
        with open(self._log, encoding="utf-8") as file:
            return file.read()

    def get(self, path, **arguments):
        """The data of an answer. Throws HTTPError, which has what was wrong."""
        url = f"http://{LISTEN}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        with service_test.inside(self._host.namespace), urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        """The values of an instant vector."""
        return [float(sample["value"][1]) for sample in self.get("query", query=expression)["result"]]

    def has(self, expression):
        """Whether the answer is there, and is not empty."""
        with contextlib.suppress(urllib.error.URLError):
            return bool(self.query(expression))
        return False


def answers(prometheus, expression):
    """What is wrong with the answer; empty: nothing."""
    try:
        values = prometheus.query(expression)
    except urllib.error.HTTPError as error:
        return error.read().decode()
    if not values:
        return "" if MAY_BE_EMPTY in expression else "no answer"
    # No VM speaks here, so a move has no first frame.
    measured = "rove_move_frame_" in expression or all(math.isfinite(value) for value in values)
    return "" if measured else f"not a number: {values}"


def run(lab, checks):
    a, b = lab.hosts
    service_test.prepare()
    service_test.configure(a, metrics=service_test.METRICS_PORT)
    service_test.start(a)
    service_test.start(b)
    with Prometheus(a) as prometheus:
        scraped = wait_for(lambda: prometheus.has("count_over_time(rove_usable[1m]) >= 2"), 30)
        checks.check(scraped, "it scrapes, with the documented configuration")
        if not scraped:
            print(prometheus.log())
            return

        # A move to the host that is watched, and one away from it.
        moved = [host.rove("claim", OTHER_MAC, OTHER_IP).returncode for host in (b, a, b)]
        seen = lambda: prometheus.has("rove_node_moves_in_total >= 1 and rove_node_moves_away_total >= 1")
        checks.check(moved == [OK] * 3 and wait_for(seen), "a VM comes and goes, and its moves show")
        checks.check(prometheus.query('up{job="rove"}') == [1.0], "the target is up")
        checks.check(prometheus.get("label/instance/values", **{"match[]": "rove_usable"}) == ["127.0.0.1:9683"],
                     "the dashboard's choice of nodes has the one")
        peers = sum(peer["up"] for peer in a.json("peers")["peers"])
        checks.check(prometheus.query("rove_peers_up") == [peers], f"{peers} peer, as rove peers has it")
        queries = dashboard_queries()
        wrong = [f"{query}: {found}" for query in queries if (found := answers(prometheus, query))]
        checks.check(len(queries) > 20 and not wrong, f"the dashboard's {len(queries)} questions have answers {wrong}")
        alarms = documented_alarms()
        rung = [alarm for alarm in alarms if prometheus.query(alarm)]
        checks.check(len(alarms) > 5 and not rung, f"{len(alarms)} documented alarms are silent {rung}")

        a.stop()
        down = lambda: [alarm for alarm in alarms if prometheus.query(alarm)] == ['up{job="rove"} == 0']
        checks.check(wait_for(down), "without the daemon the one that says so rings")


if __name__ == "__main__":
    if shutil.which("prometheus") is None:
        print("skipped: no prometheus")
        sys.exit(SKIP)
    cli_test.run_checks(run)
