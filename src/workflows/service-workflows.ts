/** Stands for the workflows of a service. The bundler puts the service's own module in its place. */
// oxlint-disable-next-line unicorn/require-module-specifiers -- it has nothing to export, and is a module
export {};
