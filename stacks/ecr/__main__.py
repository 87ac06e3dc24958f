from stacks import contract, program
from stacks.contract import EcrOutputs
from stacks.ecr.registry import Registry, RegistryArgs

config, place = program.config(), program.place()

registry = Registry(
    "registry",
    RegistryArgs(
        name=config.named(),
        keep_images=config.keep_images,
        protected=config.protected,
        place=place,
        readers=config.readers,
    ),
)

contract.export(
    EcrOutputs(
        registry_id=registry.repository.registry_id,
        repository_arn=registry.repository.arn,
        repository_name=registry.repository.name,
        repository_url=registry.repository.repository_url,
    )
)
