"""The project sensor: a change of the project folder is followed by a new inventory snapshot, scores and plan."""

import dagster as dg

from cx_orchestration.model.failures import InvalidProject
from cx_orchestration.project import CXProject, folder_digest
from cx_orchestration.sensors.jobs import planning_job


def project_sensor(definition: CXProject) -> dg.SensorDefinition:
    """A sensor on the text of the project folder, which needs no valid project to tick."""
    folder = definition.folder

    @dg.sensor(
        name="project_changes",
        target=planning_job,
        minimum_interval_seconds=60,
        description="Takes a new inventory snapshot and plan whenever a file of the project folder changes.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        digest = folder_digest(folder)
        if context.cursor == digest:
            return dg.SkipReason("The project folder has not changed.")
        try:
            CXProject.load(folder)
        except InvalidProject as invalid:
            return dg.SkipReason(f"The project folder changed but is not valid; mend it first.\n{invalid}")
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"project-{digest}")], cursor=digest)

    return sensor
