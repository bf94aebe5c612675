"""The graph of a turn: ingest -> recall -> switch -> plan -> approve -> reflect -> act (a wave of parallel steps)
-> reflect ... -> respond -> remember -> condense. Reflection may lead back to plan.

Nodes get the turn's state and a `TurnContext`; they report through ``context.emit``.
"""

from __future__ import annotations

from langgraph.channels import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from graphs.act import act
from graphs.approve import approve
from graphs.condense import condense
from graphs.ingest import ingest
from graphs.planning import plan
from graphs.recall import recall
from graphs.reflect import reflect, what_next
from graphs.remember import remember
from graphs.respond import respond
from graphs.state import Turn, TurnContext
from graphs.switch import switch

Graph = CompiledStateGraph[Turn, TurnContext, Turn, Turn]


def build_graph(checkpointer: BaseCheckpointSaver[str]) -> Graph:
    """The compiled graph. Give it a ``thread_id`` in the config and a `TurnContext` as context."""
    graph = StateGraph(Turn, context_schema=TurnContext)
    graph.add_node("ingest", ingest)
    graph.add_node("recall", recall)
    graph.add_node("switch", switch)
    graph.add_node("plan", plan)
    graph.add_node("approve", approve)
    graph.add_node("reflect", reflect)
    graph.add_node("act", act)  # type: ignore[call-overload]  # takes a Task through Send, not the whole Turn
    graph.add_node("respond", respond)
    graph.add_node("remember", remember)
    graph.add_node("condense", condense)
    graph.add_edge(START, "ingest")
    graph.add_edge("ingest", "recall")
    graph.add_edge("recall", "switch")
    graph.add_edge("switch", "plan")
    graph.add_edge("plan", "approve")
    graph.add_edge("approve", "reflect")
    graph.add_conditional_edges("reflect", what_next, ["plan", "act", "respond"])
    graph.add_edge("act", "reflect")
    graph.add_edge("respond", "remember")
    graph.add_edge("remember", "condense")
    graph.add_edge("condense", END)
    return graph.compile(checkpointer=checkpointer)


def delta_channels(graph: Graph) -> frozenset[str]:
    """Parts of the state that a checkpoint holds the changes of only, which pruning has to keep."""
    return frozenset(name for name, channel in graph.channels.items() if isinstance(channel, DeltaChannel))
