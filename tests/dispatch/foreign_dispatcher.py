"""A dispatcher that is not ours: one slot, plain psycopg, and the SQL functions it may call."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import suppress
from typing import Any

import psycopg

LEASE, SAFE, PAUSE = 30.0, 20.0, 2.0
CLAIM = "SELECT task_id, epoch, mode_id, project_root, input FROM claim_v1(%s, '{default}', 1)"
REPORT = "SELECT report_v2(%s, %s, %s, %s, %s)"


class Dispatcher:
    def __init__(self, conn: psycopg.Connection[Any], agent: list[str]) -> None:
        self.conn, self.agent, self.me = conn, agent, uuid.uuid4()

    def work(self) -> None:
        self.conn.execute("LISTEN tasks_new")  # listen, then look, then wait
        self.conn.execute("LISTEN leases_lost")
        who = (self.me, "foreign", "", os.getpid(), ["default"], 1, "1", LEASE)
        self.conn.execute("SELECT register_worker_v1(%s, %s, %s, %s, %s, %s, %s, %s)", who)
        while self.renew([])[0]:  # once unknown, start again, under a new id
            task = self.conn.execute(CLAIM, [self.me]).fetchone()
            if task is None:
                self.wait(PAUSE)
            else:
                self.serve(*task)

    def serve(self, task: str, epoch: int, mode: str, root: str, prompt: bytes) -> None:
        assert mode == "plan"  # the agent must not write: start it so that it cannot
        with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as said:
            asked.write(prompt)
            asked.seek(0)
            agent = subprocess.Popen(
                self.agent, cwd=root, stdin=asked, stdout=said, start_new_session=True
            )
            try:
                self.watch(agent, task, epoch, said)
            finally:  # whatever happens, a connection lost included: no agent without a lease
                with suppress(ProcessLookupError):
                    os.killpg(agent.pid, signal.SIGKILL)
                agent.wait()

    def watch(self, agent: subprocess.Popen[bytes], task: str, epoch: int, said: Any) -> None:
        is_reported, safe_until = False, time.monotonic() + SAFE
        while time.monotonic() < safe_until:  # counted from before a renewal was sent
            sent = time.monotonic()
            if epoch in self.renew([epoch])[1]:
                return  # cancelled, given to another, or settled: the report has been read
            safe_until = sent + SAFE
            if agent.poll() is not None and not is_reported:
                said.seek(0)
                self.report(task, epoch, agent.returncode, said.read())
                is_reported = True  # and the lease is kept until it was read
            self.wait(0.1)

    def report(self, task: str, epoch: int, code: int, said: bytes) -> None:
        text = said.decode(errors="replace").replace("\0", "\ufffd")
        if code == 0 and text.strip():
            self.conn.execute(REPORT, (task, epoch, "completed", text, None))
        else:  # an empty answer is no answer
            why = "agent_failed" if code else "empty_answer"
            error = {"code": why, "message": f"exit code {code}", "failure_class": "transient"}
            self.conn.execute(REPORT, (task, epoch, "failed", None, json.dumps(error)))

    def renew(self, held: list[int]) -> tuple[bool, list[int]]:
        query = "SELECT known, lost FROM renew_v2(%s, %s, %s)"
        known, lost = self.conn.execute(query, (self.me, LEASE, held)).fetchone() or (False, held)
        return known, lost

    def wait(self, seconds: float) -> None:
        for _ in self.conn.notifies(timeout=seconds, stop_after=1):
            pass


if __name__ == "__main__":
    with psycopg.connect(sys.argv[1], autocommit=True, tcp_user_timeout=8000) as connection:
        Dispatcher(connection, sys.argv[2:]).work()
