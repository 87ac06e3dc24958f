from pathlib import Path

from stacks.environment.program import declare

declare(Path(__file__).resolve().parent)
