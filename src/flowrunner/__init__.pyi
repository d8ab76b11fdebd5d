from flowrunner.definitions.authoring import From as From
from flowrunner.definitions.context import CallFailedError as CallFailedError
from flowrunner.definitions.context import CallResult as CallResult
from flowrunner.definitions.context import Census as Census
from flowrunner.definitions.context import Context as Context
from flowrunner.definitions.context import Decided as Decided
from flowrunner.definitions.context import Launch as Launch
from flowrunner.definitions.context import Project as Project
from flowrunner.definitions.context import Report as Report
from flowrunner.definitions.context import ReportContext as ReportContext
from flowrunner.definitions.context import StepResult as StepResult
from flowrunner.definitions.flow import Approval as Approval
from flowrunner.definitions.flow import Each as Each
from flowrunner.definitions.flow import Flow as Flow
from flowrunner.definitions.flow import Repeat as Repeat
from flowrunner.definitions.flow import Retry as Retry
from flowrunner.definitions.flow import Step as Step
from flowrunner.definitions.produces import Citations as Citations
from flowrunner.definitions.produces import Produces as Produces

__version__: str
