# The worker, the gateway and the CLI: `docker compose run --rm worker list`.
FROM node:24-bookworm-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends binutils ca-certificates
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY dev dev
COPY scripts scripts
COPY src src
# The S3 client is optional in the npm package. The image has it, for payload stores in S3.
RUN npm run build && npm pkg delete devDependencies && npm prune && npm install --save-prod @aws-sdk/client-s3
# What no running program reads: native code for other systems and debugging, types, source maps, manuals, tests, and the
# compiler of workflow code, which is compiled already.
RUN rm -rf node_modules/@swc node_modules/@temporalio/core-bridge/sdk-core node_modules/@temporalio/core-bridge/src \
    node_modules/mathjs/lib/cjs node_modules/mathjs/lib/browser node_modules/uglify-js \
  && find node_modules/@temporalio/core-bridge/releases -mindepth 1 -maxdepth 1 ! -name "$(uname -m)-unknown-linux-gnu" \
    -exec rm -r {} + \
  && find node_modules -type d \( -name test -o -name tests -o -name __tests__ -o -name example -o -name examples \) \
    -prune -exec rm -r {} + \
  && find node_modules dist -type f \( -name '*.map' -o -name '*.ts' -o -name '*.[cm]ts' -o -name '*.md' \) -delete \
  && find node_modules -type f \( -name '*.node' -o -name '*.so' \) -exec strip --strip-unneeded {} + \
  && strip --strip-unneeded -o /node /usr/local/bin/node

# The same Debian without npm and headers.
FROM debian:bookworm-slim
# Python for sessions that may run code.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends libstdc++6 python3 \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --uid 1000 --create-home node
COPY --from=build /node /usr/local/bin/node
# For servers behind TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
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
ENTRYPOINT ["node", "dist/bundled/cli/main.js"]
CMD ["worker"]
