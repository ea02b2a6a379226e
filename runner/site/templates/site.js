// A command is taken whole with one click or, by keyboard, with Enter.
for (const block of all("pre")) {
  block.tabIndex = 0;
  const choose = () => getSelection().selectAllChildren(block);
  block.addEventListener("click", choose);
  block.addEventListener("keydown", (event) => { if (event.key === "Enter") choose(); });
}
