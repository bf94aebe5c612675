"""Following a run while the page does other things.

Streamlit runs the page's script anew at every click. One `Follower` a run lives in the session and goes on reading
between two runs of the script, so that nothing is read twice and a click is never kept waiting by the network.
"""

from __future__ import annotations

import threading

from ui.client import ApiError, Client, Json
from ui.live import RunView


class Follower:
    """Reads a run's events in a thread until the run is over; `take` hands them to the script."""

    def __init__(self, client: Client, run_id: str) -> None:
        self.run_id = run_id
        self._client = client
        self._events: list[Json] = []
        self._error: ApiError | None = None
        self._done = False
        self._news = threading.Condition()
        threading.Thread(target=self._read, name=f"follow {run_id}", daemon=True).start()

    def update(self, view: RunView, timeout: float) -> bool:
        """Bring ``view`` up to date, waiting up to ``timeout`` seconds for news.

        Returns whether the run is over. Raises ApiError when the run can't be followed any longer.
        """
        with self._news:
            self._news.wait_for(lambda: self._done or len(self._events) > view.cursor + 1, timeout)
            fresh = self._events[view.cursor + 1 :]  # seq has no gaps: it is the place in the list
            done, error = self._done, self._error
        for event in fresh:
            view.add(event)
        if error and not view.is_over:
            raise error
        return done

    def _read(self) -> None:
        try:
            for event in self._client.events(self.run_id):
                with self._news:
                    self._events.append(event)
                    self._news.notify_all()
        except ApiError as error:
            self._error = error
        finally:
            with self._news:
                self._done = True
                self._news.notify_all()
