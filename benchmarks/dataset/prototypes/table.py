from typing import Any
def main(result: dict[str, Any]) -> int:
    return 0
