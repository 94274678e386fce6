"""The tables as Peewee models, for asking. They belong to no database: each query is given the one that it runs on.

The schema itself is made by `migrations/`; a test holds the two together.
"""

from peewee import BlobField, BooleanField, CompositeKey, IntegerField, Model, TextField


class Row(Model):
    """A row of any table that is read in the order of its commits."""

    seq = IntegerField(primary_key=True)


class Entities(Row):
    """A row of any table that keeps snapshots."""

    id = TextField(unique=True)
    version = IntegerField()
    body = BlobField()


class Users(Entities):
    """People with an account."""

    email = TextField(unique=True)
    password_hash = TextField()


class Sessions(Model):
    """Tokens that are good."""

    id = TextField(primary_key=True)
    subject_id = TextField()
    kind = TextField()
    company_id = TextField(null=True)
    expires_at = TextField()


class Companies(Entities):
    """Companies."""

    month_ends_at = TextField(null=True)


class Memberships(Row):
    """Who belongs to which company, and as what."""

    company_id = TextField()
    user_id = TextField()
    role = TextField()


class Agents(Entities):
    """Agents, those that were deleted too (status `terminated`)."""

    company_id = TextField()
    name = TextField()
    status = TextField()
    reports_to = TextField(null=True)
    adapter = TextField(null=True)
    next_heartbeat = TextField(null=True)
    resumes_at = TextField(null=True)


class AgentSecrets(Model):
    """The sealed secrets of agents' configurations."""

    agent_id = TextField(primary_key=True)
    company_id = TextField()
    sealed = TextField()

    class Meta:
        table_name = "agent_secrets"


class Tasks(Entities):
    """Tasks."""

    company_id = TextField()
    status = TextField()
    rank = IntegerField()
    assignee_id = TextField(null=True)
    goal_id = TextField(null=True)
    parent_id = TextField(null=True)
    due_at = TextField(null=True)
    next_attempt_at = TextField(null=True)
    lock_expires_at = TextField(null=True)
    words = TextField()
    escalation_id = TextField(null=True)
    completed_at = TextField(null=True)


class Blockers(Model):
    """Which task waits for which."""

    task_id = TextField()
    blocker_id = TextField()
    company_id = TextField()
    is_open = BooleanField()

    class Meta:
        primary_key = CompositeKey("task_id", "blocker_id")


class Comments(Row):
    """What was said on tasks."""

    id = TextField(unique=True)
    company_id = TextField()
    task_id = TextField()
    body = BlobField()


class Runs(Row):
    """Runs of agents."""

    id = TextField(unique=True)
    company_id = TextField()
    agent_id = TextField()
    task_id = TextField(null=True)
    started_at = TextField()
    ended_at = TextField(null=True)
    body = BlobField()
    status = TextField()
    output_bytes = IntegerField()


class Costs(Row):
    """The ledger."""

    id = TextField(unique=True)
    company_id = TextField()
    agent_id = TextField()
    task_id = TextField(null=True)
    run_id = TextField(null=True)
    model = TextField(null=True)
    input_tokens = IntegerField()
    output_tokens = IntegerField()
    cache_read_tokens = IntegerField()
    cache_write_tokens = IntegerField()
    micro_cents = IntegerField()
    estimated = BooleanField()
    created_at = TextField()
    day = TextField()


class CostSums(Model):
    """What was booked in a month: by agent, by model and by day. Kept by triggers."""

    company_id = TextField()
    month = TextField()
    kind = TextField()
    key = TextField()
    calls = IntegerField()
    input_tokens = IntegerField()
    output_tokens = IntegerField()
    micro_cents = IntegerField()
    estimated_micro_cents = IntegerField()

    class Meta:
        table_name = "cost_sums"
        primary_key = CompositeKey("company_id", "month", "kind", "key")


class Counts(Model):
    """How many rows there are of a kind. Kept by triggers."""

    company_id = TextField()
    kind = TextField()
    key = TextField()
    number = IntegerField()

    class Meta:
        primary_key = CompositeKey("company_id", "kind", "key")


class Approvals(Entities):
    """Questions to the board."""

    company_id = TextField()
    status = TextField()
    requested_by = TextField(null=True)
    expires_at = TextField(null=True)
    follow_up = BooleanField()


class Memories(Row):
    """What agents have noted down; the full-text index `memory_words` follows it by triggers."""

    id = TextField(unique=True)
    company_id = TextField()
    agent_id = TextField()
    recalled_at = TextField()
    words = TextField()
    body = BlobField()


class Settings(Entities):
    """Settings of the whole server, and of each company its own."""

    company_id = TextField(null=True)


class SettingSecrets(Model):
    """The sealed values of secret settings."""

    settings_id = TextField()
    key = TextField()
    company_id = TextField(null=True)
    sealed = TextField()

    class Meta:
        table_name = "setting_secrets"
        primary_key = CompositeKey("settings_id", "key")


class CodingSessions(Model):
    """Sessions of command-line agents, by agent and task."""

    agent_id = TextField()
    task_id = TextField()
    company_id = TextField()
    body = BlobField()
    used_at = TextField()

    class Meta:
        table_name = "coding_sessions"
        primary_key = CompositeKey("agent_id", "task_id")


class ChatMessages(Row):
    """What people and agents said to each other."""

    id = TextField(unique=True)
    company_id = TextField()
    agent_id = TextField()
    recipient_id = TextField(null=True)
    sender_agent_id = TextField(null=True)
    thread_id = TextField(null=True)
    meeting_id = TextField(null=True)
    is_read = BooleanField()
    attempts = IntegerField()
    next_attempt_at = TextField(null=True)
    body = BlobField()

    class Meta:
        table_name = "chat_messages"


class Talks(Model):
    """How often two agents wrote to each other since a person did, or a task moved."""

    first_id = TextField()
    second_id = TextField()
    company_id = TextField()
    turns = IntegerField()
    is_told = BooleanField()

    class Meta:
        primary_key = CompositeKey("first_id", "second_id")


class Meetings(Entities):
    """Meetings."""

    company_id = TextField()
    status = TextField()


class Goals(Entities):
    """What companies want to reach."""

    company_id = TextField()
    status = TextField()
    parent_id = TextField(null=True)
    owes = BooleanField()


class Routines(Entities):
    """Tasks that are given again and again."""

    company_id = TextField()
    status = TextField()
    next_due_at = TextField(null=True)


class Triggers(Model):
    """Which routine a trigger belongs to."""

    id = TextField(primary_key=True)
    routine_id = TextField()
    company_id = TextField()
    public_id = TextField(null=True)


class TriggerSecrets(Model):
    """The sealed secrets of webhooks."""

    trigger_id = TextField(primary_key=True)
    company_id = TextField()
    sealed = TextField()

    class Meta:
        table_name = "trigger_secrets"


class Executions(Row):
    """What became of each firing."""

    id = TextField(unique=True)
    company_id = TextField()
    routine_id = TextField()
    task_id = TextField(null=True)
    status = TextField()
    ended_at = TextField(null=True)
    body = BlobField()


class Subscriptions(Entities):
    """Where the events of companies are posted."""

    company_id = TextField()
    status = TextField()
    delivered_seq = IntegerField()


class SubscriptionSecrets(Model):
    """The sealed secrets of subscriptions."""

    subscription_id = TextField(primary_key=True)
    company_id = TextField()
    sealed = TextField()

    class Meta:
        table_name = "subscription_secrets"


class Deliveries(Row):
    """What became of each event that was sent to a subscription."""

    id = TextField(unique=True)
    company_id = TextField()
    subscription_id = TextField()
    status = TextField()
    body = BlobField()


class ApprovalsUsed(Model):
    """Approvals of calls that were made."""

    approval_id = TextField(primary_key=True)
    company_id = TextField()

    class Meta:
        table_name = "approvals_used"


class Events(Row):
    """The event log, the activity feed included."""

    company_id = TextField()
    type = TextField()
    data = BlobField()
    created_at = TextField()


class EventsGone(Model):
    """The newest event of each company that is no longer kept. Written by a trigger."""

    company_id = TextField(primary_key=True)
    seq = IntegerField()

    class Meta:
        table_name = "events_gone"


class Answers(Model):
    """First answers to idempotency keys."""

    caller = TextField()
    key = TextField()
    fingerprint = TextField()
    status = IntegerField()
    body = BlobField()
    sealed = BooleanField()
    created_at = TextField()

    class Meta:
        primary_key = CompositeKey("caller", "key")


ALL = (
    Users,
    Sessions,
    Companies,
    Memberships,
    Agents,
    AgentSecrets,
    Tasks,
    Blockers,
    Comments,
    Runs,
    Costs,
    CostSums,
    Counts,
    Approvals,
    Settings,
    SettingSecrets,
    CodingSessions,
    ChatMessages,
    Talks,
    Meetings,
    Memories,
    Goals,
    Routines,
    Triggers,
    TriggerSecrets,
    Executions,
    Subscriptions,
    SubscriptionSecrets,
    Deliveries,
    ApprovalsUsed,
    Events,
    EventsGone,
    Answers,
)
"""Every table."""
