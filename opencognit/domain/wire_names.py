"""The glossary: every German word that crosses the wire, and the only place in the code where one stands.

`FIELDS` renames struct fields (given to each struct by `rename=`); `TASK_EVENT_FIELDS` and `BOARD_EVENT_FIELDS` those
of event data, where the contract uses other names; `TRIGGER_FIELDS` those of triggers; `ADAPTER_FIELDS` those that
adapters read and send; `ERROR_FIELDS` are those of a refusal, `PRICE_FIELDS` those of a price. `EVENTS` and `ROLES` are
words inside values, and `PATHS` are the words of URLs.
"""

FIELDS = {
    "company_id": "unternehmenId",
    "agent_id": "expertId",
    "task_id": "aufgabeId",
    "user_id": "benutzerId",
    "user": "benutzer",
    "goal_id": "zielId",
    "project_id": "projektId",
    "parent_id": "parentId",
    "run_id": "runId",
    "version": "version",
    "created_at": "erstelltAm",
    "updated_at": "aktualisiertAm",
    "description": "beschreibung",
    "goal": "ziel",
    "work_dir": "workDir",
    "budget_cents": "budgetMonatCent",
    "currency": "waehrung",
    "role": "rolle",
    "title": "titel",
    "reports_to": "reportsTo",
    "abilities": "faehigkeiten",
    "adapter": "verbindungsTyp",
    "adapter_config": "verbindungsConfig",
    "avatar_colour": "avatarFarbe",
    "spent_cents": "verbrauchtMonatCent",
    "reserved_cents": "reserviertMonatCent",
    "reservations": "reservierungen",
    "budget_month": "budgetMonat",
    "warned_percent": "gewarntBeiProzent",
    "paused_by": "pausiertVon",
    "resumes_at": "pausiertBis",
    "month_ends_at": "monatEndetAm",
    "time_zone": "zeitzone",
    "heartbeat_on": "zyklusAktiv",
    "heartbeat_interval": "zyklusIntervallSek",
    "last_heartbeat": "letzterZyklus",
    "next_heartbeat": "naechsterZyklus",
    "is_orchestrator": "isOrchestrator",
    "system_prompt": "systemPrompt",
    "current_task_id": "aktuelleAufgabeId",
    "last_error": "letzterFehler",
    "message_count": "nachrichtenCount",
    "priority": "prioritaet",
    "assignee_id": "zugewiesenAn",
    "created_by": "erstelltVon",
    "blocked_by": "blockedBy",
    "due_at": "faelligAm",
    "not_before": "nichtVor",
    "result": "ergebnis",
    "attempts": "versuche",
    "attempt": "versuch",
    "next_attempt_at": "naechsterVersuchAm",
    "lock_run_id": "executionRunId",
    "locked_by": "executionLockedBy",
    "locked_at": "executionLockedAt",
    "lock_expires_at": "executionLockExpiresAt",
    "lock_token": "executionToken",
    "started_at": "gestartetAm",
    "completed_at": "abgeschlossenAm",
    "cancelled_at": "abgebrochenAm",
    "ended_at": "beendetAm",
    "waiting_until": "wartetBis",
    "effects": "wirkungen",
    "began_at": "begonnenAm",
    "answering": "beantwortet",
    "escalation": "eskalation",
    "escalates": "eskaliertAufgabeId",
    "escalation_task_id": "eskalationsAufgabeId",
    "reason": "grund",
    "made": "erstellt",
    "author_type": "autorTyp",
    "author_agent_id": "autorExpertId",
    "author_name": "autorName",
    "content": "inhalt",
    "source": "quelle",
    "cost_cents": "kostenCent",
    "output": "ausgabe",
    "error": "fehler",
    "password": "passwort",
    "old_password": "altesPasswort",
    "new_password": "neuesPasswort",
    "lease": "leaseSek",
    "wait": "warteSek",
    "requested_by": "angefordertVon",
    "decision_note": "entscheidungsnotiz",
    "decided_by": "entschiedenVon",
    "decided_at": "entschiedenAm",
    "note": "notiz",
    "rounds": "runden",
    "follow_up": "folgenOffen",
    "executed_at": "ausgefuehrtAm",
    "execution_error": "ausfuehrungsfehler",
    "expires_at": "laeuftAbAm",
    "keywords": "schlagworte",
    "kind": "typ",
    "actor_type": "akteurTyp",
    "actor_id": "akteurId",
    "actor_name": "akteurName",
    "action": "aktion",
    "active_agents": "aktiveAgenten",
    "open_tasks": "offeneAufgaben",
    "heartbeats_today": "heartbeatsHeute",
    "level": "ebene",
    "owner_id": "eigentuemerExpertId",
    "progress": "fortschritt",
    "planning_task_id": "planungsAufgabeId",
    "review_task_ids": "pruefungsAufgabeIds",
    "owed_task_id": "geschuldeteAufgabeId",
    "entity_type": "entitaetTyp",
    "entity_id": "entitaetId",
    "key": "schluessel",
    "value": "wert",
    "recipient_id": "empfaengerId",
    "sender_agent_id": "vonExpertId",
    "sender_type": "absenderTyp",
    "sender_name": "absenderName",
    "words": "nachricht",
    "is_read": "gelesen",
    "unread": "ungelesen",
    "thread_id": "threadId",
    "meeting_id": "meetingId",
    "organiser_id": "veranstalterExpertId",
    "participant_ids": "teilnehmerIds",
    "answers": "antworten",
    "missing": "fehlend",
    "routine_id": "routineId",
    "trigger_id": "triggerId",
    "execution_id": "ausfuehrungId",
    "concurrency_policy": "concurrencyPolicy",
    "catch_up_policy": "catchUpPolicy",
    "variables": "variablen",
    "last_execution_at": "zuletztAusgefuehrtAm",
}
"""Fields of entities and request bodies."""

TASK_EVENT_FIELDS = {
    **FIELDS,
    "agent_id": "agentId",
    "agent_name": "agentName",
    "task_id": "taskId",
    "task_ids": "taskIds",
    "task_title": "taskTitel",
}
"""Fields of the events whose data speak of `taskId` and `agentId`."""

TRIGGER_FIELDS = {
    **{field: name for field, name in FIELDS.items() if field != "kind"},
    "cron": "cronExpression",
    "time_zone": "timezone",
    "is_active": "aktiv",
    "next_due_at": "naechsterAusfuehrungAm",
    "last_fired_at": "zuletztGefeuertAm",
    "public_id": "publicId",
}
"""Fields of a routine's trigger, whose `kind` bears its own name."""

BOARD_EVENT_FIELDS = {
    **FIELDS,
    "before": "vorher",
    "approval_id": "genehmigungId",
    "goal_title": "zielTitel",
    "estimated": "geschaetzt",
    "model": "modell",
    "input_tokens": "inputTokens",
    "output_tokens": "outputTokens",
}
"""Fields of the events whose data speak of `aufgabeId` and `expertId`."""

BUDGET_EVENT_FIELDS = {
    **FIELDS,
    "percent": "prozent",
    "spent_cents": "verbrauchtCent",
    "budget_cents": "budgetCent",
    "paused": "pausiert",
}
"""Fields of a warning that a budget comes to its end."""

LIMIT_FIELDS = {"kind": "art", "period": "zeitraum", "most": "hoechstens"}
"""Fields of a limit on what an agent uses."""

RUN_OUTPUT_FIELDS = {**FIELDS, "run_id": "laufId"}
"""Fields of the live output of a run, which is no event."""

ERROR_FIELDS = {"message": "fehler", "request_id": "anfrageId", "field": "feld"}
"""Fields of a refusal."""

EVENTS = {"activity": "aktivitaet", "agent_deleted": "expert_deleted", "cost_booked": "kosten_updated"}
"""Types of events that are not English."""

ADAPTER_FIELDS = {
    **FIELDS,
    "agent_id": "agentId",
    "blocker_results": "ergebnisseDerBlocker",
    "callback": "rueckruf",
    "command": "befehl",
    "comments": "kommentare",
    "company": "unternehmen",
    "headers": "kopfzeilen",
    "max_steps": "maxSchritte",
    "max_tokens": "maxTokens",
    "conversation": "gespraech",
    "earlier": "bisher",
    "messages": "nachrichten",
    "memories": "erinnerungen",
    "model": "modell",
    "network": "netz",
    "provider": "anbieter",
    "repeatable": "wiederholbar",
    "tools": "werkzeuge",
    "cost_known": "kostenBekannt",
    "time_limit": "zeitlimitSek",
    "input_tokens": "inputTokens",
    "output_tokens": "outputTokens",
    "cache_read_tokens": "cacheReadTokens",
    "cache_write_tokens": "cacheWriteTokens",
    "access": "zugriff",
    "max_cost_cents": "maxKostenCent",
    "subscription": "abonnement",
    "api_key": "apiKey",
    "base_url": "basisUrl",
    "fallback_models": "ersatzModelle",
    "free": "kostenlos",
    "review_model": "pruefModell",
}
"""Fields of an adapter's configuration, of the order it sends out and of the answer it gets."""

PRICE_FIELDS = {"cache_read": "cacheRead", "cache_write": "cacheWrite", "free": "kostenlos"}
"""Fields of a price."""
CRITICS = {"model": "modell", "off": "aus"}
"""Kinds of critics that are not English."""

ROLES = {"owner": "eigentuemer", "member": "mitglied", "observer": "beobachter", "admin": "admin"}
"""Roles of people, in a company and on the server."""

PATHS = {
    "register": "registrieren",
    "sign_in": "anmelden",
    "sign_out": "abmelden",
    "me": "ich",
    "password": "passwort",
    "companies": "unternehmen",
    "members": "mitglieder",
    "activity": "aktivitaet",
    "agents": "experten",
    "pause": "pausieren",
    "resume": "fortsetzen",
    "runs": "laeufe",
    "tasks": "aufgaben",
    "comments": "kommentare",
    "approvals": "genehmigungen",
    "approve": "genehmigen",
    "reject": "ablehnen",
    "revise": "ueberarbeiten",
    "ask_again": "erneut",
    "withdraw": "zuruecknehmen",
    "memories": "erinnerungen",
    "callback": "rueckruf",
    "settings": "einstellungen",
    "read": "gelesen",
    "unread": "ungelesen",
    "goals": "ziele",
    "plan": "planen",
    "emergency_stop": "notaus",
    "routines": "routinen",
    "executions": "ausfuehrungen",
}
"""Words of paths."""
