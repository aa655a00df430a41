"""The report's page as tests read it: its elements, and its tables cell by cell."""

from html.parser import HTMLParser

from tests.helpers.workspace import REPOSITORY

TEMPLATE = REPOSITORY / "workflow" / "report" / "page.html.j2"
VOID = {"meta", "img", "input", "br", "link", "hr"}


class Page(HTMLParser):
    """Elements as (tag, attributes), tables as rows of cell texts; unbalanced tags fail."""

    def __init__(self, text: str):
        super().__init__()
        self.elements, self.open, self.tables, self.cell = [], [], [], None
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append((dict(attrs).get("id"), []))
        elif tag == "tr":
            self.tables[-1][1].append([])
        elif tag in ("td", "th"):
            self.cell = []

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.cell is not None:
            self.cell.append(data)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag in ("td", "th"):
            self.tables[-1][1][-1].append(" ".join("".join(self.cell).split()))
            self.cell = None

    def values(self, attribute: str, tag: str | None = None) -> list[str]:
        return [attrs[attribute] for name, attrs in self.elements if attribute in attrs and tag in (None, name)]

    def table(self, name: str) -> list[list[str]]:
        (rows,) = (rows for own, rows in self.tables if own == name)
        return rows
