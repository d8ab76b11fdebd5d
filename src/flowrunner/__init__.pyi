from flowrunner.definitions.context import Census as Census
from flowrunner.definitions.context import Context as Context
from flowrunner.definitions.context import Launch as Launch
from flowrunner.definitions.context import Project as Project
from flowrunner.definitions.context import Report as Report
from flowrunner.definitions.context import ReportContext as ReportContext
from flowrunner.definitions.context import StepResult as StepResult
from flowrunner.definitions.flow import Flow as Flow
from flowrunner.definitions.flow import Step as Step

__version__: str
