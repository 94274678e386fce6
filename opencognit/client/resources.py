"""What can be asked of the server, by resource: one line for each call (see `calls`).

The keyword arguments of a call are the fields of the struct that stands last in its line; those of a list narrow it.
"""

from typing import Any, Generic

from opencognit.client.calls import Mode, Path, Resource, Run
from opencognit.client.connection import Connection
from opencognit.domain.agent import AddSkill, Agent, AgentToken, CreateAgent, Skill, UpdateAgent
from opencognit.domain.agent_list import AgentsImport, ImportAgents
from opencognit.domain.approval import Approval, ApprovalQuery, AskAgain, DecisionBody, RequestApproval
from opencognit.domain.caller import Member, PasswordBody, RegisterBody, SignedIn, SignInBody, User
from opencognit.domain.chat import ChatBody, ChatMessage, ChatQuery, ReadBody, UnreadCount
from opencognit.domain.company import AddMember, Company, CreateCompany, UpdateCompany
from opencognit.domain.company_file import CompanyFile, ImportedCompany
from opencognit.domain.company_template import Template, UseTemplate
from opencognit.domain.delivery import Delivery
from opencognit.domain.events import Activity
from opencognit.domain.execution import Execution
from opencognit.domain.figures import CostQuery, CostSummary, Dashboard
from opencognit.domain.goal import CreateGoal, Goal, GoalQuery, UpdateGoal
from opencognit.domain.meeting import AnswerBody, CallMeeting, CompleteMeeting, Meeting, MeetingQuery
from opencognit.domain.memory import Memory, MemoryBody, MemoryQuery, Remember
from opencognit.domain.message import Success
from opencognit.domain.permission import Grant, Permission
from opencognit.domain.query import Backwards, Paging
from opencognit.domain.routine import (
    CreateRoutine,
    CreateTrigger,
    NewTrigger,
    Routine,
    RoutineQuery,
    Trigger,
    TriggerBody,
    TriggerRoutine,
    UpdateRoutine,
)
from opencognit.domain.run import Run as AgentRun
from opencognit.domain.setting import Setting, SettingBody, SettingsQuery
from opencognit.domain.subscription import (
    CreateSubscription,
    NewSubscription,
    Subscription,
    SubscriptionQuery,
    UpdateSubscription,
)
from opencognit.domain.system import AdapterBody, Health, Ready, ServerStatus
from opencognit.domain.task import (
    AddComment,
    Checkout,
    Comment,
    CreateTask,
    Inbox,
    Release,
    Task,
    TaskQuery,
    UpdateTask,
)
from opencognit.domain.wire_names import PATHS

AUTH: Path[[]] = Path("/api/auth")
SYSTEM: Path[[]] = Path("/api/system")
HEALTH: Path[[]] = Path("/api/health")
COMPANIES: Path[[]] = Path(f"/api/{PATHS['companies']}")
COMPANY: Path[[str]] = Path(f"/api/{PATHS['companies']}/{{id}}")
TEMPLATES: Path[[]] = Path(f"/api/{PATHS['templates']}")
TEMPLATE: Path[[str]] = Path(f"/api/{PATHS['templates']}/{{name}}")
MEMBER: Path[[str, str]] = Path(f"/api/{PATHS['companies']}/{{id}}/{PATHS['members']}/{{userId}}")
AGENT: Path[[str]] = Path(f"/api/{PATHS['agents']}/{{id}}")
SKILL: Path[[str, str]] = Path(f"/api/{PATHS['agents']}/{{id}}/skills/{{skillId}}")
MEMORY: Path[[str, str]] = Path(f"/api/{PATHS['agents']}/{{id}}/{PATHS['memories']}/{{memoryId}}")
RUN: Path[[str]] = Path(f"/api/{PATHS['runs']}/{{id}}")
TASK: Path[[str]] = Path(f"/api/{PATHS['tasks']}/{{id}}")
ROUTINE: Path[[str]] = Path(f"/api/{PATHS['routines']}/{{id}}")
TRIGGER: Path[[str]] = Path("/api/triggers/{id}")
APPROVAL: Path[[str]] = Path(f"/api/{PATHS['approvals']}/{{id}}")
GOAL: Path[[str]] = Path(f"/api/{PATHS['goals']}/{{id}}")
MEETING: Path[[str]] = Path("/api/meetings/{id}")
SUBSCRIPTION: Path[[str]] = Path(f"/api/{PATHS['subscriptions']}/{{id}}")
DELIVERY: Path[[str, str]] = Path(f"/api/{PATHS['subscriptions']}/{{id}}/{PATHS['deliveries']}/{{deliveryId}}")
SETTINGS: Path[[]] = Path(f"/api/{PATHS['settings']}")
SETTING: Path[[str]] = Path(f"/api/{PATHS['settings']}/{{key}}")


def _chosen(**grants: Grant) -> dict[str, Grant]:
    """Permissions by their names."""
    return grants


class Auth(Resource[Mode]):
    """Accounts. The token of who signs in becomes the client's own by `client.token = signed_in.token`."""

    register = (AUTH / PATHS["register"]).call("POST", SignedIn, RegisterBody)
    sign_in = (AUTH / PATHS["sign_in"]).call("POST", SignedIn, SignInBody)
    sign_out = (AUTH / PATHS["sign_out"]).call("POST", Success)
    me = (AUTH / PATHS["me"]).call("GET", User)
    # The second time, the old password would be the wrong one.
    change_password = (AUTH / PATHS["password"]).call("PUT", Success, PasswordBody, repeatable=False)


class Companies(Resource[Mode]):
    """Companies, their members, what happened in them and what they have spent."""

    list = COMPANIES.pages(Company, Paging)
    create = COMPANIES.call("POST", Company, CreateCompany)
    get = COMPANY.call("GET", Company)
    update = COMPANY.call("PATCH", Company, UpdateCompany)
    delete = COMPANY.call("DELETE", Success)
    stop = (COMPANY / PATHS["emergency_stop"]).call("POST", Company)
    """Pauses it and cuts off all its runs at once; `update(…, status=CompanyStatus.PAUSED)` lets them end."""
    export = (COMPANY / "export").call("GET", CompanyFile)
    """Its `raw` is the file."""
    import_file = (COMPANIES / "import").call("POST", ImportedCompany, CompanyFile)
    """`import_file(**asdict(read_company(json)))` founds the company of a file; it is paused."""
    dashboard = (COMPANY / "dashboard").call("GET", Dashboard)
    costs = (COMPANY / PATHS["cost_summary"]).call("GET", CostSummary, CostQuery)
    activity = (COMPANY / PATHS["activity"]).pages(Activity, Backwards)
    """The newest first."""
    members = (COMPANY / PATHS["members"]).pages(Member, Paging)
    add_member = (COMPANY / PATHS["members"]).call("POST", Member, AddMember)
    remove_member = MEMBER.call("DELETE", Success)


class Templates(Resource[Mode]):
    """Ready-made companies that come with the server."""

    list = TEMPLATES.call("GET", list[Template])
    get = TEMPLATE.call("GET", CompanyFile)
    use = (TEMPLATE / PATHS["companies"]).call("POST", ImportedCompany, UseTemplate)
    """Founds a company; it is paused."""


class Agents(Resource[Mode]):
    """Agents: hiring them, changing them, waking them, what they know and may do."""

    list = (COMPANY / PATHS["agents"]).pages(Agent, Paging)
    create = (COMPANY / PATHS["agents"]).call("POST", Agent, CreateAgent)
    import_list = (COMPANY / PATHS["agents"] / "import").call("POST", AgentsImport, ImportAgents)
    """Hires all of them, or none."""
    get = AGENT.call("GET", Agent)
    update = AGENT.call("PATCH", Agent, UpdateAgent)
    delete = AGENT.call("DELETE", Success)
    pause = (AGENT / PATHS["pause"]).call("POST", Agent)
    resume = (AGENT / PATHS["resume"]).call("POST", Agent)
    wake = (AGENT / "wakeup").call("POST", Agent)
    inbox = (AGENT / "inbox").call("GET", Inbox)
    runs = (AGENT / PATHS["runs"]).pages(AgentRun, Backwards)
    """The newest first."""
    run = RUN.call("GET", AgentRun)
    skills = (AGENT / "skills").pages(Skill, Paging)
    add_skill = (AGENT / "skills").call("POST", Skill, AddSkill)
    remove_skill = SKILL.call("DELETE", Success)
    permissions = (AGENT / "permissions").call("GET", dict[Permission, Grant])
    choose_permissions = (AGENT / "permissions").call("PUT", dict[Permission, Grant], _chosen)
    """`choose_permissions(agent.id, run_command=Grant.DENY)`: what is not named goes with the agent's role."""
    issue_token = (AGENT / "token").call("POST", AgentToken)
    revoke_token = (AGENT / "token").call("DELETE", Success)


class Memories(Resource[Mode]):
    """What an agent remembers."""

    list = (AGENT / PATHS["memories"]).pages(Memory, MemoryQuery)
    create = (AGENT / PATHS["memories"]).call("POST", Memory, Remember)
    get = MEMORY.call("GET", Memory)
    update = MEMORY.call("PATCH", Memory, MemoryBody)
    delete = MEMORY.call("DELETE", Success)
    delete_all = (AGENT / PATHS["memories"]).call("DELETE", Success)


class Tasks(Resource[Mode]):
    """Tasks, their execution locks, and their comments."""

    list = (COMPANY / PATHS["tasks"]).pages(Task, TaskQuery)
    create = (COMPANY / PATHS["tasks"]).call("POST", Task, CreateTask)
    get = TASK.call("GET", Task)
    update = TASK.call("PATCH", Task, UpdateTask)
    delete = TASK.call("DELETE", Success)
    checkout = (TASK / "checkout").call("POST", Task, Checkout)
    release = (TASK / "release").call("POST", Task, Release)
    comments = (TASK / PATHS["comments"]).pages(Comment, Paging)
    comment = (TASK / PATHS["comments"]).call("POST", Comment, AddComment)


class Routines(Resource[Mode]):
    """Routines, their triggers, and what became of each firing."""

    list = (COMPANY / PATHS["routines"]).pages(Routine, RoutineQuery)
    create = (COMPANY / PATHS["routines"]).call("POST", Routine, CreateRoutine)
    get = ROUTINE.call("GET", Routine)
    update = ROUTINE.call("PATCH", Routine, UpdateRoutine)
    delete = ROUTINE.call("DELETE", Success)
    fire = (ROUTINE / "trigger").call("POST", Execution, TriggerRoutine)
    executions = (ROUTINE / PATHS["executions"]).pages(Execution, Backwards)
    """The newest first."""
    triggers = (ROUTINE / "triggers").pages(Trigger, Paging)
    create_trigger = (ROUTINE / "triggers").call("POST", NewTrigger, CreateTrigger)
    update_trigger = TRIGGER.call("PATCH", Trigger, TriggerBody)
    delete_trigger = TRIGGER.call("DELETE", Success)


class Approvals(Resource[Mode]):
    """What is asked of the board."""

    list = (COMPANY / PATHS["approvals"]).pages(Approval, ApprovalQuery)
    """The open ones, unless `status` says which."""
    create = (COMPANY / PATHS["approvals"]).call("POST", Approval, RequestApproval)
    get = APPROVAL.call("GET", Approval)
    approve = (APPROVAL / PATHS["approve"]).call("POST", Approval, DecisionBody)
    reject = (APPROVAL / PATHS["reject"]).call("POST", Approval, DecisionBody)
    revise = (APPROVAL / PATHS["revise"]).call("POST", Approval, DecisionBody)
    ask_again = (APPROVAL / PATHS["ask_again"]).call("POST", Approval, AskAgain)
    withdraw = (APPROVAL / PATHS["withdraw"]).call("POST", Approval)


class Chat(Resource[Mode]):
    """What people and agents say to each other."""

    list = (COMPANY / "chat").pages(ChatMessage, ChatQuery)
    """The oldest first; `agent_id` names the conversation."""
    send = (COMPANY / "chat").call("POST", ChatMessage, ChatBody)
    mark_read = (COMPANY / "chat" / PATHS["read"]).call("POST", UnreadCount, ReadBody)
    unread = (COMPANY / "chat" / PATHS["unread"]).pages(UnreadCount, Paging)


class Goals(Resource[Mode]):
    """What a company wants to reach."""

    list = (COMPANY / PATHS["goals"]).pages(Goal, GoalQuery)
    create = (COMPANY / PATHS["goals"]).call("POST", Goal, CreateGoal)
    get = GOAL.call("GET", Goal)
    update = GOAL.call("PATCH", Goal, UpdateGoal)
    delete = GOAL.call("DELETE", Success)
    plan = (GOAL / PATHS["plan"]).call("POST", Goal)


class Meetings(Resource[Mode]):
    """Questions that several agents answer."""

    list = (COMPANY / "meetings").pages(Meeting, MeetingQuery)
    call = (COMPANY / "meetings").call("POST", Meeting, CallMeeting)
    get = MEETING.call("GET", Meeting)
    answer = (MEETING / "message").call("POST", Meeting, AnswerBody)
    complete = (MEETING / "complete").call("POST", Meeting, CompleteMeeting)
    cancel = (MEETING / "cancel").call("POST", Meeting)


class Subscriptions(Resource[Mode]):
    """Other programs that the company's events are posted to."""

    list = (COMPANY / PATHS["subscriptions"]).pages(Subscription, SubscriptionQuery)
    create = (COMPANY / PATHS["subscriptions"]).call("POST", NewSubscription, CreateSubscription)
    """Its `secret` is never shown again."""
    get = SUBSCRIPTION.call("GET", Subscription)
    update = SUBSCRIPTION.call("PATCH", Subscription, UpdateSubscription)
    delete = SUBSCRIPTION.call("DELETE", Success)
    rotate_secret = (SUBSCRIPTION / PATHS["secret"]).call("POST", NewSubscription)
    test = (SUBSCRIPTION / "test").call("POST", Delivery)
    deliveries = (SUBSCRIPTION / PATHS["deliveries"]).pages(Delivery, Backwards)
    """The newest first."""
    redeliver = (DELIVERY / PATHS["redeliver"]).call("POST", Delivery)


class Settings(Resource[Mode]):
    """Settings of the server, and of each company."""

    all = SETTINGS.call("GET", dict[str, Any], SettingsQuery)
    change = SETTING.call("PUT", Setting, SettingBody)
    """`change("language", value="en", company_id=company.id)`; the value None deletes it."""


class System(Resource[Mode]):
    """How the server is."""

    health = HEALTH.call("GET", Health, accepted=503)
    ready = (SYSTEM / "ready").call("GET", Ready)
    status = (SYSTEM / "status").call("GET", ServerStatus)
    adapters = (SYSTEM / "adapters").call("GET", list[AdapterBody])


class Resources(Generic[Mode]):
    """All of them: what the asyncio client and the blocking one have in common."""

    def __init__(self, connection: Connection, run: Run | None = None) -> None:
        self._connection = connection
        self.auth: Auth[Mode] = Auth(connection, run)
        self.companies: Companies[Mode] = Companies(connection, run)
        self.templates: Templates[Mode] = Templates(connection, run)
        self.agents: Agents[Mode] = Agents(connection, run)
        self.memories: Memories[Mode] = Memories(connection, run)
        self.tasks: Tasks[Mode] = Tasks(connection, run)
        self.routines: Routines[Mode] = Routines(connection, run)
        self.approvals: Approvals[Mode] = Approvals(connection, run)
        self.chat: Chat[Mode] = Chat(connection, run)
        self.goals: Goals[Mode] = Goals(connection, run)
        self.meetings: Meetings[Mode] = Meetings(connection, run)
        self.subscriptions: Subscriptions[Mode] = Subscriptions(connection, run)
        self.settings: Settings[Mode] = Settings(connection, run)
        self.system: System[Mode] = System(connection, run)

    @property
    def token(self) -> str | None:
        """The token that says who asks; another may be set at any time."""
        return self._connection.token

    @token.setter
    def token(self, token: str | None) -> None:
        self._connection.token = token
