"""The page as a user sees it: what can be done and read, apart from how the page is built."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

#: An answer may need models to be loaded first.
ANSWER_MS = 240_000


class ChatPage:
    """One browser tab."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address

    def open(self, query: str = "") -> ChatPage:
        self.page.goto(f"{self.address}/{query}", wait_until="domcontentloaded")
        expect(self.input).to_be_visible(timeout=60_000)
        return self

    # ----------------------------------------------------------------------------------------------- what is there

    @property
    def input(self) -> Locator:
        return self.page.get_by_test_id("stChatInputTextArea")

    @property
    def questions(self) -> Locator:
        return self.page.get_by_label("Chat message from user")

    @property
    def answers(self) -> Locator:
        return self.page.get_by_label("Chat message from assistant")

    @property
    def last_answer(self) -> Locator:
        return self.answers.last

    @property
    def last_text(self) -> Locator:
        """The last answer's words, without its steps and media."""
        return self.last_answer.locator('[class*="st-key-answer-"]')

    @property
    def stop_button(self) -> Locator:
        return self.page.get_by_role("button", name="Stop")

    @property
    def conversations(self) -> Locator:
        return self.page.locator('[data-testid="stSidebar"] [class*="st-key-thread-"] button').filter(visible=True)

    @property
    def thread_id(self) -> str:
        found = re.search(r"[?&]thread=([\w-]+)", self.page.url)
        return found.group(1) if found else ""

    # -------------------------------------------------------------------------------------------- what can be done

    def send(self, text: str, *files: Path) -> None:
        expect(self.input).to_be_enabled(timeout=30_000)
        if files:
            self.page.locator('[data-testid="stChatInput"] input[type="file"]').first.set_input_files(list(files))
            for file in files:
                expect(self.page.get_by_test_id("stChatInput").get_by_text(file.name)).to_be_visible()
        self.input.fill(text)
        self.page.get_by_test_id("stChatInputSubmitButton").click()

    def record(self, seconds: float) -> None:
        """Speak into the microphone and send it."""
        box = self.page.get_by_test_id("stChatInput")
        box.get_by_role("button", name=re.compile("record|microphone|audio", re.IGNORECASE)).first.click()
        self.page.wait_for_timeout(seconds * 1_000)
        box.get_by_role("button", name=re.compile("approve|submit|send|confirm|done", re.IGNORECASE)).last.click()

    def ask(self, text: str, *files: Path) -> Locator:
        """Send and wait for the whole answer."""
        before = self.questions.count()
        self.send(text, *files)
        expect(self.questions).to_have_count(before + 1, timeout=30_000)
        return self.wait_for_answer()

    def wait_for_answer(self) -> Locator:
        expect(self.input).to_be_enabled(timeout=ANSWER_MS)
        expect(self.stop_button).to_have_count(0)
        return self.last_answer

    def wait_until_writing(self, text: str | re.Pattern[str] = re.compile(r"\w+ \w+ \w+")) -> None:
        expect(self.stop_button).to_be_visible(timeout=30_000)
        expect(self.last_text).to_contain_text(text, timeout=ANSWER_MS)

    def new_conversation(self) -> None:
        self.page.get_by_role("button", name="New conversation").first.click()
        expect(self.questions).to_have_count(0)

    def open_conversation(self, title: str) -> None:
        self.conversations.filter(has_text=title).first.click()
        expect(self.questions.filter(has_text=title).first).to_be_visible()

    def delete_conversation(self, title: str) -> None:
        row = self.page.locator('[data-testid="stSidebar"] [class*="st-key-row-"]').filter(has_text=title).first
        row.locator('[class*="st-key-menu-"] button').filter(visible=True).click()
        self.page.get_by_text("Delete", exact=True).last.click()
        self.page.get_by_role("dialog").get_by_role("button", name="Delete").click()

    def edit(self, question: str, text: str) -> None:
        """Change a message and send it again."""
        bubble = self.questions.filter(has_text=question).first
        bubble.hover()
        bubble.get_by_role("button", name="Edit").click()
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_role("textbox").fill(text)
        dialog.get_by_role("button", name="Send").click()

    # --------------------------------------------------------------------------------------------- what can be read

    def tools_used(self) -> str:
        """The line over the last answer: ``Detect objects -> Speak``; empty when no tool was used."""
        steps = self.last_answer.get_by_test_id("stExpander")
        line = steps.first.inner_text() if steps.count() else ""
        return "" if "Notes" in line.splitlines() else line  # why a model was chosen, say: nothing was done

    def audio_count(self) -> int:
        return self.last_answer.locator("audio").count()

    def problems(self) -> Sequence[str]:
        return self.page.get_by_test_id("stAlert").all_inner_texts()
