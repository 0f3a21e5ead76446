/** For `node --import`: writes to stderr which packages of OpenTelemetry's SDK a program loads. */
import { registerHooks } from 'node:module';

registerHooks({
  resolve(specifier, context, next) {
    if (specifier.startsWith('@opentelemetry/') && specifier !== '@opentelemetry/api') {
      process.stderr.write(`loads ${specifier}\n`);
    }
    return next(specifier, context);
  },
});
