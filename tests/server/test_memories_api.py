"""Memory over HTTP."""

from __future__ import annotations

from live_server import Api


def kept(api: Api, text: str, **fields: object) -> str:
    answer = api.http.post("/api/memories", json={"text": text, **fields})
    assert answer.status_code == 201
    return str(answer.json()["id"])


def test_what_was_added_is_listed_shown_and_found(api: Api) -> None:
    memory = kept(api, "Lena plays the cello.", about="Lena", pinned=True)
    kept(api, "The bins go out on Thursday.")
    listed = api.http.get("/api/memories").json()
    assert [each["text"] for each in listed["memories"]] == ["The bins go out on Thursday.", "Lena plays the cello."]
    shown = api.http.get(f"/api/memories/{memory}").json()
    assert (shown["about"], shown["pinned"], shown["origin"]) == ("Lena", True, "user")
    found = api.http.get("/api/memories/search", params={"q": "who plays cello?"}).json()
    assert found["hits"][0]["memory"]["id"] == memory
    assert found["trouble"]  # no weights here: found by words, and the answer says so


def test_a_memory_is_corrected_in_place(api: Api) -> None:
    memory = kept(api, "The dentist is called Meyer.")
    changed = api.http.patch(f"/api/memories/{memory}", json={"text": "The dentist is called Okafor."})
    assert changed.json()["text"] == "The dentist is called Okafor."
    assert api.http.get(f"/api/memories/{memory}").json()["text"] == "The dentist is called Okafor."


def test_a_forgotten_memory_is_gone(api: Api) -> None:
    memory = kept(api, "The code is 4711.")
    assert api.http.delete(f"/api/memories/{memory}").status_code == 204
    assert api.http.get(f"/api/memories/{memory}").json()["code"] == "not-found"
    assert api.http.delete(f"/api/memories/{memory}").status_code == 404
    assert api.http.get("/api/memories/search", params={"q": "code"}).json()["hits"] == []


def test_everything_is_exported_and_forgotten(api: Api) -> None:
    kept(api, "One thing.")
    kept(api, "Another matter.")
    export = api.http.get("/api/memories/export")
    assert "attachment" in export.headers["content-disposition"]
    assert [each["text"] for each in export.json()["memories"]] == ["One thing.", "Another matter."]
    assert api.http.delete("/api/memories").json() == {"forgotten": 2}
    assert api.http.get("/api/memories").json()["memories"] == []


def test_the_list_comes_in_pages(api: Api) -> None:
    made = [kept(api, f"Thing number {n}") for n in range(3)]
    first = api.http.get("/api/memories", params={"limit": 2}).json()["memories"]
    rest = api.http.get("/api/memories", params={"limit": 2, "before": first[-1]["id"]}).json()["memories"]
    assert [each["id"] for each in first + rest] == made[::-1]


def test_what_does_not_fit_is_refused(api: Api) -> None:
    memory = kept(api, "A thing.")
    for body in ({"text": ""}, {"text": "x" * 2_001}, {"text": "a", "kind": "secret"}, {"text": "a", "owner": "bob"}):
        assert api.http.post("/api/memories", json=body).status_code == 422, body
    assert api.http.post("/api/memories", json={"text": "   "}).json()["code"] == "invalid-input"
    assert api.http.patch(f"/api/memories/{memory}", json={"superseded_by": "x"}).status_code == 422
    assert api.http.get("/api/memories", params={"before": "nobody"}).status_code == 404


def test_remembering_is_a_tool_too(api: Api) -> None:
    answer = api.http.post("/api/tools/remember", json={"text": "the key is under the pot"})
    assert answer.status_code == 200, answer.text
    assert [each["text"] for each in api.http.get("/api/memories").json()["memories"]] == ["the key is under the pot"]
