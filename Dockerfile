# The worker, and the CLI: `docker compose run --rm worker list`.
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY dev dev
COPY scripts scripts
COPY src src
# The S3 client is optional in the npm package. The image has it, for payload stores in S3.
RUN npm run build && npm pkg delete devDependencies && npm prune && npm install --save-prod @aws-sdk/client-s3

FROM node:24-slim
# Certificates for a server behind TLS; Python for sessions that may run code.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates python3 \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY agents agents
# A new volume gets the owner of the folder at its mount point.
RUN mkdir /workspaces /home/node/.copilot && chown node:node /workspaces /home/node/.copilot
USER node
ENV NODE_ENV=production COPILOT_HOME=/home/node/.copilot \
    COPILOT_WORKSPACE_ROOT=/workspaces COPILOT_ARCHIVE_DIR=/workspaces/.archive
ENTRYPOINT ["node", "dist/src/cli/main.js"]
CMD ["worker"]
