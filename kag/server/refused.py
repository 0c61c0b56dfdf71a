"""What clients can ask for and this server does not do: each is refused in a sentence, before anything is changed.

The names are those of schema.graphql and of what W&B has beyond it: a field, an input field that must stay empty, or a
type that clients ask about before they use it.
"""

from __future__ import annotations

AUTOMATIONS = "kag does not serve automations; ask `wandb.Api()` for runs, or call `run.alert()`, which is kept"
CHARTS = "kag does not serve custom charts; log a `wandb.Table` or an image instead"
MULTIPART = "kag takes each file of an artifact in one piece and gives no links to parts"
PEOPLE = (
    "kag does not serve teams, members and invitations; `kag serve key new NAME` makes a key for a person or machine"
)
QUEUES = "kag does not serve launch queues; `wandb agent` and `kag sweep FILE` run the trials of a sweep"
RATES = "kag does not limit the rates of requests"
REGISTRIES = (
    "kag does not serve registries; link the artifact to a collection of a project instead, as in 'PROJECT/COLLECTION'"
)
REPORTS = "kag does not serve W&B reports; `kag report` writes one of runs"
SCHEDULERS = "kag finds the points of a sweep itself and takes none from a scheduler; `wandb agent` runs them"

_NAMES = {
    AUTOMATIONS: (
        "Mutation.createFilterTrigger",
        "Mutation.createGenericWebhookIntegration",
        "Mutation.deleteTrigger",
        "Mutation.updateFilterTrigger",
        "Entity.integrations",
        "Entity.triggers",
        "Organization.triggers",
        "Project.triggers",
    ),
    CHARTS: ("Mutation.createCustomChart",),
    MULTIPART: ("Mutation.completeMultipartUploadArtifact",),
    PEOPLE: (
        "Mutation.createAnonymousEntity",
        "Mutation.createInvite",
        "Mutation.createServiceAccount",
        "Mutation.createTeam",
        "Mutation.createUser",
        "Mutation.deleteApiKey",
        "Mutation.deleteInvite",
        "Mutation.generateApiKey",
    ),
    QUEUES: (
        "Mutation.ackRunQueueItem",
        "Mutation.createDefaultResourceConfig",
        "Mutation.createLaunchAgent",
        "Mutation.createRunQueue",
        "Mutation.deleteFromRunQueue",
        "Mutation.deleteRunQueues",
        "Mutation.failRunQueueItem",
        "Mutation.popFromRunQueue",
        "Mutation.pushToRunQueue",
        "Mutation.pushToRunQueueByName",
        "Mutation.updateLaunchAgent",
        "Mutation.updateRunQueueItemWarning",
        "Mutation.upsertRunQueue",
        "Query.launchAgent",
        "Entity.defaultResourceConfig",
        "Project.runQueue",
        "Project.runQueues",
        "UpsertSweepInput.launchScheduler",
        "UpsertSweepInput.templateVariableValues",
        "CreateLaunchAgentInput",
        "CreateRunQueueInput",
        "FailRunQueueItemInput",
        "PushToRunQueueInput",
    ),
    RATES: ("UpsertModelInput.rateLimits",),
    REGISTRIES: (
        "Mutation.createProjectMembers",
        "Mutation.deleteModel",
        "Mutation.deleteProjectMembers",
        "Mutation.renameProject",
        "Mutation.updateProjectMember",
        "Mutation.updateProjectTeamMember",
        "Entity.artifactCollections",
        "Entity.artifactMemberships",
        "Organization.advancedRegistryFeatures",
        "Organization.orgEntity",
        "Project.allowAllArtifactTypesInRegistry",
        "Project.members",
        "Project.teamMembers",
        "UpsertModelInput.allowAllArtifactTypesInRegistry",
        "UpsertModelInput.artifactTypes",
    ),
    REPORTS: ("Project.allViews",),
    SCHEDULERS: ("Mutation.enqueueSweepRun",),
}

REFUSED = {name: sentence for sentence, names in _NAMES.items() for name in names}
"""Name -> what a client is told."""
