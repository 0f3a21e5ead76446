/** What the caller of a data tool says about cells that can be read in two ways. */
import { z } from 'zod';

export const ChoiceFields = {
  decimal: z.enum(['.', ',']).optional().describe('Decimal sign, only if a result says that the file does not tell.'),
  dates: z
    .enum(['day-first', 'month-first'])
    .optional()
    .describe('How to read 3/4/2024, only if a result says that the file does not tell.'),
};
