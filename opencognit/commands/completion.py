"""`opencognit completion`: lets a shell complete commands, options and names."""

import click
from click.shell_completion import get_completion_class

VARIABLE = "_OPENCOGNIT_COMPLETE"
"""By which the shell asks."""


INSTALLED = """\b
bash: echo 'eval "$(opencognit completion bash)"' >> ~/.bashrc
zsh:  echo 'eval "$(opencognit completion zsh)"' >> ~/.zshrc
fish: opencognit completion fish > ~/.config/fish/completions/opencognit.fish"""


@click.command(epilog=INSTALLED)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes a shell complete commands, options, and the names of agents and companies."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"There is no completion for {shell}.")
    click.echo(kind(context.find_root().command, {}, "opencognit", VARIABLE).source())
