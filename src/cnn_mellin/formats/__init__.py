"""Text formats of the field (trn, ctm, stm, speakers, symbols), and the rules for names and symbols in them."""
