"""What the user thinks of answers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict

from memory.feedback import FeedbackInfo, Rating
from server.opened import Opened

router = APIRouter(tags=["feedback"])


class Opinion(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rating: Rating
    comment: str = ""


class FeedbackList(BaseModel):
    feedback: list[FeedbackInfo]


@router.get("/feedback", summary="List what was said of answers, the newest first")
async def index(
    app: Opened,
    rating: Rating | None = None,
    thread: Annotated[str | None, Query(description="Only on this conversation's, in its order.")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> FeedbackList:
    if thread is None:
        return FeedbackList(feedback=await app.feedback.list(rating, limit))
    await app.chats.thread(thread)  # one that is not there is an error, not an empty list
    said = await app.feedback.of_thread(thread)
    return FeedbackList(feedback=[each for each in said if rating in (None, each.rating)][:limit])


@router.put("/runs/{run_id}/feedback", summary="Say what an answer was like")
async def give(app: Opened, run_id: str, body: Opinion) -> FeedbackInfo:
    """In place of what was said of it before."""
    return await app.feedback.give(run_id, body.rating, body.comment)


@router.delete("/runs/{run_id}/feedback", status_code=204, summary="Take back what was said of an answer")
async def take_back(app: Opened, run_id: str) -> Response:
    await app.feedback.take_back(run_id)
    return Response(status_code=204)
