"""What alembic runs: the steps go into the transaction of whoever migrates, so all of them happen or none."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
