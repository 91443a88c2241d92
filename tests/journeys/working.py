"""What workers and rounds do, as of an instant."""

from datetime import datetime

from integrations import sending
from workspace import jobs
from workspace.models import Job
from workspace.rounds import registered_rounds


def work(at: datetime) -> None:
    """All that is due then: jobs, what follows events, journeys, messages; sent to the end."""
    for job in Job.objects.filter(state=Job.State.QUEUED):
        jobs.run(job.pk)
    # A round may leave work for one before it.
    for _ in range(3):
        for one in registered_rounds():
            if one.name != "send":
                while one.run(at):
                    pass
        sending.drain(lambda: at)
